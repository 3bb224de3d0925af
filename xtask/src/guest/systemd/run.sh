#!/bin/sh
# What guest.service runs: the script, then the results go out and the machine ends. The numbers are those of qemu.rs.
exec > /dev/console 2>&1
stty -onlcr -echo < /dev/console
mkdir -p /results
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
cd /tmp
sh /guest/script < /dev/null
echo $? > /results/status
dmesg > /results/dmesg
journalctl --no-pager --output=short-monotonic > /results/journal
stty -F /dev/ttyS1 raw -echo
tar -C /results -cf - . | cat > /dev/ttyS1
stty -F /dev/ttyS1 raw # waits until the line has drained
printf '\020' | dd of=/dev/port bs=1 seek=244 count=1 2> /dev/null
