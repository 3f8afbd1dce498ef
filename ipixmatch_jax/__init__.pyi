from ipixmatch_jax.api import Model as Model
from ipixmatch_jax.api import TrainingRun as TrainingRun
from ipixmatch_jax.api import config as config
from ipixmatch_jax.api import inter_pixel_loss as inter_pixel_loss
from ipixmatch_jax.api import load as load
from ipixmatch_jax.api import train as train
