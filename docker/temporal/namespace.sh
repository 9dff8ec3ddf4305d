#!/bin/sh
# Makes the namespace and registers Selkie's search attributes (src/contract/names.ts); every step may be repeated.
set -eu

namespace=default

temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$namespace" --retention 8760h

known=$(temporal operator search-attribute list --namespace "$namespace")
while read -r name type; do
  case "$known" in
    *"$name"*) ;;
    *) temporal operator search-attribute create --namespace "$namespace" --name "$name" --type "$type" ;;
  esac
done <<ATTRIBUTES
SealTenant Keyword
SealModel Keyword
SealStage Keyword
SealPurpose Keyword
SealGate Keyword
SealOutcome Keyword
SealRound Int
SealEditsDone Int
SealBestScore Double
ATTRIBUTES
