"""Floors every score stands beside; registered models with the same verbs as any other."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "autoregression": ["ARRidge", "ARRidgeFit"],
        "choice_history_regression": ["ChoiceHistoryRegression", "ChoiceHistoryRegressionFit"],
        "direct_ridge": ["DirectRidge", "DirectRidgeFit"],
        "factor_analysis": ["FactorAnalysis", "FactorAnalysisFit"],
        "mean": ["Mean", "MeanFit"],
        "pair_amplitude": ["PairAmplitude", "PairAmplitudeFit"],
        "pearce_hall": ["PearceHall", "PearceHallFit"],
        "persistence": ["Persistence", "PersistenceFit"],
        "population_regression": ["PopulationRegression", "PopulationRegressionFit"],
        "rescorla_wagner": ["RescorlaWagner", "RescorlaWagnerFit"],
        "smoothed_rate": ["SmoothedRate", "SmoothedRateFit"],
        "smoothed_regressions": ["SmoothedPoisson", "SmoothedPoissonTime", "SmoothedRidge"],
        "trial_average": ["TrialAverage", "TrialAverageFit"],
        "window_states": ["WindowStates", "WindowStatesFit"],
        "win_stay_lose_shift": ["WinStayLoseShift", "WinStayLoseShiftFit"],
    },
)
