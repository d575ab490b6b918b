#!/usr/bin/env bash
# Installs the programs that the tests need besides Python, on Debian as root. CI runs this script.
set -euo pipefail
cd "$(dirname "$0")/.."

# program:package
needed=(
    chromium:chromium promtool:prometheus prometheus-alertmanager:prometheus-alertmanager cc:gcc openssl:openssl strace:strace git:git
    go:golang javac:default-jdk-headless mvn:maven postgres:postgresql
)
# Debian keeps the programs of PostgreSQL outside the path.
PATH=$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin)
missing=()
for pair in "${needed[@]}"; do
    command -v "${pair%%:*}" > /dev/null || missing+=("${pair##*:}")
done
if ((${#missing[@]})); then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# DataSketches for Java, in the versions that tests/quality/test_interop.py reads, into the folder where it looks.
jars=.e2e/jars
while read -r artifact; do
    file=$jars/${artifact/:/-}.jar
    [[ -f $file ]] || mvn -q -B dependency:copy "-DoutputDirectory=$PWD/$jars" \
        "-Dartifact=org.apache.datasketches:$artifact"
done < <(sed -nE 's/^    "(datasketches-[a-z]+:[0-9.]+)",$/\1/p' tests/quality/test_interop.py)

# The version that tests/e2e/test_kustomize.py builds too, into the same folder.
if [[ ! -x .e2e/kustomize ]] && ! command -v kustomize > /dev/null; then
    mkdir -p .e2e
    version=$(sed -nE 's/^KUSTOMIZE = "(.*)"$/\1/p' tests/e2e/test_kustomize.py)
    GOBIN="$PWD/.e2e" go install "$version"
fi
