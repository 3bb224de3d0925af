# udrvd is killed, and what it has handed out is given to the next one. After rounds.sh.
round adopted none survive --kills "$KILLS"
round anew none survive --kills "$ANEW" --anew
round adopted-tcp tcp survive --kills "$KILLS"
round anew-tcp tcp survive --kills "$ANEW" --anew
kill "$serve"
back_again
