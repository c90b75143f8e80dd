#!/bin/sh
# The demo as a newcomer tries it: made, made again, its guest asked; and removed, whatever happened.
set -eu
cd "$(dirname "$0")/../.."
trap 'scripts/demo --clean' EXIT
scripts/demo
scripts/demo
.venv/bin/zcloud ssh -i .state/demo/id_ed25519 demo -- cloud-init status
