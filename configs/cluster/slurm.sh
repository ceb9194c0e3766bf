#!/bin/bash
# Trains a config on the GPUs of one node or of several. From the folder that holds runs/:
#   sbatch --job-name=lsun configs/cluster/slurm.sh --config configs/coulomb/lsun.yaml --config configs/overlays/trainer/ddp.yaml
#   sbatch --job-name=lsun --nodes=2 --ntasks-per-node=8 --gpus-per-node=8 configs/cluster/slurm.sh --config ...    # two nodes of eight GPUs
#
# The run is runs/JOB_NAME/job_ID. SIGUSR1 comes 90 seconds before the time is over, which has to be enough for a step
# and a checkpoint: `fit` saves and asks SLURM for the job again, which goes on in the same folder. A job that SLURM
# starts again after a node has failed goes on from its last checkpoint, too.
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=SIGUSR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -euo pipefail

if [[ -f runs/$SLURM_JOB_NAME/job_$SLURM_JOB_ID/checkpoints/last.ckpt ]]; then
  set -- "$@" --ckpt_path last
fi
# A run is a function of its config, its seed and its number of threads.
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
# A task for each GPU. If one of them fails, srun ends the others.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 energy-gans fit "$@" \
  --trainer.num_nodes "$SLURM_JOB_NUM_NODES" \
  --trainer.devices "$SLURM_NTASKS_PER_NODE" \
  --trainer.enable_progress_bar false \
  --trainer.logger lightning.pytorch.loggers.CSVLogger \
  --trainer.logger.save_dir runs \
  --trainer.logger.name "$SLURM_JOB_NAME" \
  --trainer.logger.version "job_$SLURM_JOB_ID"
