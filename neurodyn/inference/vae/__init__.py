"""Sequential variational autoencoders on bare arrays: encoders, latent dynamics, decoders, likelihoods."""
