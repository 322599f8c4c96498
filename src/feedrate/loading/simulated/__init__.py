"""An accelerator that is no hardware: copies come late, freed memory is poisoned, and what nobody waited for shows."""
