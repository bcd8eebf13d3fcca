#!/bin/sh
# Fills the volumes of compose.yaml with certificates, unless that was done before.
set -eu

[ ! -s /tls/nginx-nginx/tls.crt ] || exit 0
sh /compose/make.sh /tls kafka/kafka=kafka nginx/nginx=nginx,localhost admin/admin controller/controller0 controller/controller1 \
    invoker/invoker0 invoker/invoker1 invoker/invoker2
