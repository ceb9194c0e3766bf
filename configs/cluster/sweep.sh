#!/bin/bash
# Runs a wandb sweep as an array of jobs, each of which makes one run on one GPU. From the folder that holds configs/ and runs/:
#   wandb sweep configs/sweeps/coulomb_grid.yaml    # prints the sweep's ID
#   sbatch --array=1-20 configs/cluster/sweep.sh ENTITY/energy-gans/ID
#
# The time of a job has to be enough for a run: a run that is not finished by then is not started again.
#SBATCH --ntasks=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --output=%x-%A_%a.log
set -euo pipefail

export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" wandb agent --count 1 "$1"
