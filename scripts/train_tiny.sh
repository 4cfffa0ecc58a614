#!/usr/bin/env bash
# Makes a small trained policy like the one that the demo runs, from nothing: demonstrations, dataset, encoders, network.
#
#   scripts/train_tiny.sh [ROBOT [FOLDER]]      droid, out/tiny_ROBOT; over three hours of two CPU cores, by the sum of its parts
#
# Every step keeps what it has made: after an interruption the same command goes on. The policy is then in
# FOLDER/policy/checkpoint; docs/training.md says what it was tried on. Of the robots only droid was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
robot=${1:-droid}
folder=${2:-out/tiny_$robot}
dreamzero() { .venv/bin/dreamzero "$@"; }
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}

still=() # views that may show one picture while the robot moves
case $robot in # pictures a second: as many as the network sees; rows of a chunk, which is to hold most of a way; from window
# to window; by which a window may go on at rest, so that the end of a way that takes one chunk is seen from close by
droid) hz=5 rows=24 stride=12 rest=0 ;;
yam) hz=5 rows=48 stride=24 rest=24 still=(--still-views left right) ;; # the wrist of the arm that rests
agibot_g1) hz=5 rows=96 stride=64 rest=96 ;;
*) echo "robot: expected droid, yam or agibot_g1, got $robot" >&2 && exit 2 ;;
esac

# 1. A scripted expert reaches for three things one after another in each of 800 scenes, and stays high over three in each
#    of 800 others: what one task never names the other does. Where the arm rests counts, too.
#    Pictures are no larger than what the network sees of them, and videos that are read once need not be small.
dreamzero demonstrate "$robot" --tasks reach hover --instructions 3 --episodes 1600 --camera-hz "$hz" \
  --picture-width 320 --workers 2 "$folder/demos"
[ -f "$folder/data/meta/info.json" ] ||
  dreamzero convert "$folder/demos" "$folder/data" --robot "$robot" --keep-idle --idle-seconds 60 \
    --video-preset ultrafast "${still[@]}"

# 2. What sees and hears: weights that are set by hand; only the decoder of the video VAE learns.
[ -d "$folder/encoders/checkpoint" ] || dreamzero train-vae "$folder/encoders" --data "$folder/data" \
  --steps 400 --batch 2 --clips 200 --chunk-rows "$rows" --model max_chunk_size=2 --model num_frames=17

# 3. The network, on windows of one chunk: where to go, without the video, which is left out; then the same from
#    everywhere on the way; then video and actions together.
learn() {
  local name=$1 init=$folder/$2
  shift 2
  [ -d "$folder/$name/checkpoint" ] || dreamzero train "$folder/$name" --preset tiny --data "$folder/data" \
    --cache "$folder/latents" --init "$init/checkpoint" --set chunks=1 --set action_weight=16 --set weighting=even \
    --set rest_rows="$rest" --set prompt_dropout=0 --set smoke_steps=0 "$@"
}
learn decide encoders --set predict_video=false --set base_stride=$((4 * stride)) --set batch=8 --set steps=8000 \
  --set ema=0.998
learn everywhere decide --set predict_video=false --set base_stride="$stride" --set batch=16 --set steps=7000 \
  --set ema=0.998 --set statistics=checkpoint
learn policy everywhere --set video_weight=0.1 --set base_stride="$stride" --set batch=16 --set steps=3600 \
  --set ema=0.995 --set learning_rate=7e-4 --set statistics=checkpoint
echo "trained: $folder/policy/checkpoint"
