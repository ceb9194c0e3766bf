#!/bin/bash
# Runs a study as an array of jobs, each on one GPU. From the folder that holds runs/, with as many tasks as there are cells, or fewer:
#   sbatch --array=1-24 configs/cluster/study.sh configs/studies/fashion.yaml
#   energy-gans study configs/studies/fashion.yaml --dry_run true    # says which cells are done
#
# Task k of n runs every n-th cell from the k-th on. Before the time of a task is over, it saves the run of its present
# cell and asks SLURM to start it again, and then goes on with that run. All tasks need one file system with locks.
#SBATCH --ntasks=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=SIGUSR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.log
set -euo pipefail

if ((SLURM_ARRAY_TASK_MIN != 1 || SLURM_ARRAY_TASK_COUNT != SLURM_ARRAY_TASK_MAX)); then
  echo "--array should be 1-N, got tasks from $SLURM_ARRAY_TASK_MIN to $SLURM_ARRAY_TASK_MAX, $SLURM_ARRAY_TASK_COUNT in all." >&2
  exit 2
fi
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" energy-gans study "$@" --only "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
