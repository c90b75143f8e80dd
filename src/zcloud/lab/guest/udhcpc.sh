#!/bin/sh
# What udhcpc runs when a lease comes, changes or ends.
. /lib/tiny.sh
case $1 in
    bound | renew)
        ip addr flush dev "$interface"
        ip addr add "$ip/${mask:-24}" broadcast + dev "$interface"
        for gateway in $router; do ip route replace default via "$gateway" dev "$interface"; done
        for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
        [ "$1" = bound ] && say "TINY-DHCP $interface $ip"
        ;;
    deconfig) ip addr flush dev "$interface" ;;
esac
exit 0
