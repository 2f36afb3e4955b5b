#!/bin/sh
# Rewrites ../envoy.binpb from the Go modules pinned in go.mod.
#
#   ./refresh.sh            the pinned version: must reproduce the committed file byte for byte
#   ./refresh.sh v1.41.0    first move go-control-plane/envoy (and with it cncf/xds) to another version
#
# Go is needed only here. Building Lateen reads the committed envoy.binpb.
set -eu
cd "$(dirname "$0")"

ENVOY=github.com/envoyproxy/go-control-plane/envoy
XDS=github.com/cncf/xds/go
KNOWN=google.golang.org/protobuf/types/known

if [ $# -gt 0 ]; then
  go get "$ENVOY@$1"
fi

# Listing the packages instead of keeping a list means that a new extension cannot be forgotten.
{
  echo '// Code written by refresh.sh. DO NOT EDIT.'
  echo 'package main'
  echo 'import ('
  go list -e "$ENVOY/..." "$XDS/..." "$KNOWN/..." | sed 's#.*#_ "&"#'
  echo ')'
} > imports.go

if [ $# -gt 0 ]; then
  go mod tidy
fi
go run -mod=readonly . ../envoy.binpb
