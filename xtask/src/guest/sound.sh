# A sound card under udrvd: aplay plays into the loopback card, and what leaves the card is judged outside, where its file is.
. /guest/lib.sh
. /guest/card # OURS, its PCI address; OUR_LINUX, Linux's driver for it; RATE, of the tone; PLAYBACK and CAPTURE, streams of the chip (CAPTURE is empty where nothing can be recorded)

DEVICE=pci:$OURS
LOOP=/proc/asound/Loopback

answers() { udrvctl status > /dev/null 2>&1; }
# is_phase STREAM PHASE: what the status says of a stream by its name
is_phase() { udrvctl status | grep "^$1 " | grep -q ", $2"; }

# udrvd drives it, for applications at the loopback card
drive() {
    udrvd run "$DEVICE" --deadline 100 --period 20 --periods 16 "$@" > /results/udrvd.log 2>&1 &
    udrvd=$!
    within 20 answers || { cat /results/udrvd.log; fail "udrvd does not answer"; }
}

echo "refusals:"
[ "$(pci_driver "$OURS")" = "$OUR_LINUX" ] || fail "Linux's own driver should have the card first"
refused 'bound to the kernel driver' udrvd run "$DEVICE"
echo "$OURS" > "/sys/bus/pci/devices/$OURS/driver/unbind"
bind_vfio "$OURS"
refused 'is for network cards' udrvd run "$DEVICE" --tap tap0
refused 'one or the other' udrvd run "$DEVICE" --alsa --play /tmp/nothing.wav
refused 'nothing.wav' udrvd run "$DEVICE" --play /tmp/nothing.wav

drive --alsa=Loopback
udrvctl status
refused 'another daemon' udrvd run "$DEVICE"
amixer -c Loopback scontrols > /results/controls
grep -q "'PCM'" /results/controls || fail "the loopback card does not show the chip's controls: $(cat /results/controls)"

# one player and one recorder, from before the first fault until after the last
udrv-judge tone --until /tmp/storm-is-over |
    aplay -q -t raw -f S16_LE -c 2 -r "$RATE" --buffer-time=500000 -D "hw:Loopback,0,$PLAYBACK" - > /results/aplay.log 2>&1 &
player=$!
recorder=
[ -z "$CAPTURE" ] || { arecord -q -t raw -f S16_LE -c 2 -r "$RATE" --buffer-time=500000 -D "hw:Loopback,0,$CAPTURE" > /tmp/recorded 2> /results/arecord.log &
    recorder=$!; }
within 20 is_phase DAC2 running || { udrvctl status; fail "the tone is not played"; }
[ -z "$CAPTURE" ] || within 20 is_phase ADC running || { udrvctl status; fail "nothing is recorded"; }
amixer -q -c Loopback sset CD 50% || fail "CD cannot be set"

udrv-judge storm "$DEVICE" --done /tmp/storm-is-over > /results/storm.json
storm_status=$?
wait "$player"
player_status=$?
recorder_status=0
[ -z "$CAPTURE" ] || { kill -INT "$recorder"; wait "$recorder"; recorder_status=$?; }
within 30 is_phase DAC2 idle || { udrvctl status; fail "the tone does not end"; }
within 30 is_phase ADC idle || { udrvctl status; fail "recording does not end"; }
udrvctl --json status > /results/status.json
udrvctl status
udrvctl --json faults > /results/faults.json
grep vfio- /proc/interrupts > /results/interrupts
[ -z "$CAPTURE" ] || wc -c < /tmp/recorded > /results/recorded

kill -TERM "$udrvd"
wait "$udrvd" || fail "udrvd ended with status $?"
amixer -c Loopback scontrols | grep -q "'PCM'" && fail "udrvd left its controls behind"
[ -e "/run/udrv/$DEVICE.sock" ] && fail "udrvd left its control socket behind"
[ "$storm_status" = 0 ] || fail "the storm: status $storm_status"
[ "$player_status" = 0 ] || fail "the player: status $player_status: $(cat /results/aplay.log)"
[ ! -s /results/aplay.log ] || echo "aplay: $(sort /results/aplay.log | uniq -c)"
# 1: ended by a signal, in order
[ "$recorder_status" -le 1 ] || fail "the recorder: status $recorder_status: $(cat /results/arecord.log)"

# back to Linux's own driver: the card must be as good as new
unbind_vfio "$OURS" "$OUR_LINUX"
card=$(ls -d "/sys/bus/pci/devices/$OURS/sound/card"* | sed 's/.*card//')
dd if=/dev/zero bs=4 count="$RATE" 2> /dev/null |
    aplay -q -t raw -f S16_LE -c 2 -r "$RATE" -D "hw:$card,0" - || fail "$OUR_LINUX does not play"
echo "given back to $OUR_LINUX, which plays"
