#!/usr/bin/env bash
# Fetches NVRTC, NVIDIA's run-time compiler (90 MB, once), and prints the directory of its libraries.
# Ends with 77 where this machine lacks something, the reason being the last line on stderr.
# Usage: gpu/lab/setup.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

site=$("$here/wheel.sh" nvidia-cuda-nvrtc-cu12 12.9.86 210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4)
echo "$site/nvidia/cuda_nvrtc/lib"
