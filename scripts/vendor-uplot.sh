#!/bin/sh
# How dashboard/vendor/uplot was made: the files of one release on npm, unchanged. Run it again for a newer one.
set -eu
VERSION=${1:-1.6.32}

cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm pack --silent --pack-destination "$folder" "uplot@$VERSION" >/dev/null
tar -xzf "$folder/uplot-$VERSION.tgz" -C "$folder"
mkdir -p dashboard/vendor/uplot
for file in LICENSE dist/uPlot.esm.js dist/uPlot.min.css; do
  cp "$folder/package/$file" "dashboard/vendor/uplot/$(basename "$file")"
done
cat > dashboard/vendor/uplot/README.md <<TEXT
# uPlot $VERSION

Draws the charts of the page. <https://github.com/leeoniya/uPlot>, MIT (LICENSE); the files are those of the npm package
\`uplot@$VERSION\`, unchanged. \`scripts/vendor-uplot.sh\` brings them here.
TEXT
