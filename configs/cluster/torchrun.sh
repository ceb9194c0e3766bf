#!/bin/bash
# Trains a config on two nodes without a scheduler. On both, from one folder that they share and that holds runs/:
#   RUN=first NODE=0 MAIN=node0.example configs/cluster/torchrun.sh --config configs/coulomb/lsun.yaml --config configs/overlays/trainer/ddp.yaml
#   RUN=first NODE=1 MAIN=node0.example configs/cluster/torchrun.sh --config ...    # on the second node, the same command but for NODE
#
# MAIN is the address of node 0, PORT a free port there, NODES the number of nodes, PROCESSES that of GPUs on each. The
# run is runs/torchrun/RUN. The same commands go on with it after Ctrl-C, or after a process of it was lost.
set -euo pipefail

if [[ -f runs/torchrun/$RUN/checkpoints/last.ckpt ]]; then
  set -- "$@" --ckpt_path last
fi
nodes=${NODES:-2} processes=${PROCESSES:-8}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-8}
exec torchrun --nnodes "$nodes" --node-rank "$NODE" --nproc-per-node "$processes" \
  --master-addr "$MAIN" --master-port "${PORT:-29400}" -m energy_gans -- fit "$@" \
  --trainer.num_nodes "$nodes" \
  --trainer.devices "$processes" \
  --trainer.logger lightning.pytorch.loggers.CSVLogger \
  --trainer.logger.save_dir runs \
  --trainer.logger.name torchrun \
  --trainer.logger.version "$RUN"
