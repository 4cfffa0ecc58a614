#!/usr/bin/env bash
# Makes a small trained policy like the one that the demo runs: demonstrations, dataset, encoders, network.
#
#   scripts/train_tiny.sh [ROBOT [FOLDER]]      droid, out/tiny_ROBOT; hours of two CPU cores: see docs/training.md
#
# Every step keeps what it has made: after an interruption the same command goes on. The policy is then in
# FOLDER/policy/checkpoint; docs/training.md says what it was tried on. droid begins from nothing, another robot from droid's
# policy that is shipped, whose words and colours it goes on with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
robot=${1:-droid}
folder=${2:-out/tiny_$robot}
dreamzero() { .venv/bin/dreamzero "$@"; }
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}

still=() # views that may show one picture while the robot moves
case $robot in # rows of a chunk, which is to hold most of a way; from window to window; by which a window may go on at rest,
# so that the end of a way that takes one chunk is seen from close by; steps of the runs `everywhere` and `policy`
droid) rows=24 stride=12 rest=0 steps=7000 video=3600 ;;
yam) rows=48 stride=36 rest=36 steps=16000 video=1500 still=(--still-views left right) ;; # the wrist of the arm that rests
agibot_g1) rows=96 stride=64 rest=96 steps=13500 video=1500 ;;
*) echo "robot: expected droid, yam or agibot_g1, got $robot" >&2 && exit 2 ;;
esac
data=()

# Demonstrations become a dataset. Where the arm rests counts, too. Pictures are no larger than what the network sees of
# them, and as many a second; videos that are read once need not be small. Of some scenes the expert says that it cannot
# reach a thing (exit code 1): they are marked, and of some use.
record() {
  local name=$1
  shift
  dreamzero demonstrate "$robot" --tasks reach hover "$@" --camera-hz 5 --picture-width 320 --workers 2 \
    "$folder/$name" || [ $? -eq 1 ]
  [ -f "$folder/${name}_data/meta/info.json" ] || dreamzero convert "$folder/$name" "$folder/${name}_data" \
    --robot "$robot" --keep-idle --idle-seconds 60 --video-preset ultrafast "${still[@]}"
  data+=(--data "$folder/${name}_data")
}

# Windows are of one chunk. Without `predict_video` where to go is learned alone; with `high_noise` where nothing can be read
# off the noisy actions.
learn() {
  local name=$1 init=$2
  shift 2
  [ -d "$folder/$name/checkpoint" ] || dreamzero train "$folder/$name" --preset tiny "${data[@]}" \
    --cache "$folder/latents" --init "$init" --set chunks=1 --set chunk_rows="$rows" --set action_weight=16 \
    --set weighting=even --set rest_rows="$rest" --set prompt_dropout=0 --set smoke_steps=0 --set ema=0.998 "$@"
}

if [ "$robot" = droid ]; then
  # Three things one after another in each of 1600 scenes; encoders are set by hand, and only the decoder of the video VAE
  # learns.
  record demos --instructions 3 --episodes 1600
  [ -d "$folder/encoders/checkpoint" ] || dreamzero train-vae "$folder/encoders" "${data[@]}" \
    --steps 400 --batch 2 --clips 200 --chunk-rows "$rows" --model max_chunk_size=2 --model num_frames=17
  learn decide "$folder/encoders/checkpoint" --set predict_video=false --set base_stride=$((4 * stride)) --set batch=8 \
    --set steps=8000
else
  # Each scene once for every thing in it: 300 in all wordings, a thousand by name alone; then three things one after another,
  # which show how to set out from where the arm stands. The video VAE's decoder learns to draw this robot. Then the network,
  # through adapters first, which leave what words mean as it is, then all weights.
  record taught --every-choice --episodes 1200
  record names --every-choice --split seen --seed 20000 --episodes 3500
  record ways --split seen --seed 60000 --instructions 3 --episodes 420
  data[-1]+=,weight=2
  beginnings=(--set predict_video=false --set base_stride=2000 --set rest_rows=0 --set noise=high_noise --set noise_alpha=12)
  [ -d "$folder/encoders/checkpoint" ] || dreamzero train-vae "$folder/encoders" "${data[@]}" \
    --init config/checkpoints/tiny_droid --steps 1000 --clips 400
  learn hear "$folder/encoders/checkpoint" "${beginnings[@]}" --set mode=lora --set lora_rank=8 --set lora_alpha=8 \
    --set steps=7000 --set learning_rate=2e-3
  learn decide "$folder/hear/checkpoint" "${beginnings[@]}" --set steps=5000 --set learning_rate=6e-4 \
    --set statistics=checkpoint
fi

# The same from everywhere on the way, then video and actions together; run with one evaluation of the network, YAM's and G1's
# did their tasks more often than with five, and droid's as often.
learn everywhere "$folder/decide/checkpoint" --set predict_video=false --set base_stride="$stride" --set steps="$steps" \
  --set statistics=checkpoint
learn policy "$folder/everywhere/checkpoint" --set video_weight=0.1 --set base_stride="$stride" --set steps="$video" \
  --set ema=0.995 --set learning_rate=7e-4 --set statistics=checkpoint --set evaluations=1
echo "trained: $folder/policy/checkpoint"
