#!/usr/bin/env node
if (Number.parseInt(process.versions.node, 10) < 24) {
  fail(
    `perigee needs Node 24, this is ${process.version}`,
    'run it with `npx perigee`: `npm ci` brought Node 24',
  )
} else {
  try {
    await import('../dist/main.js')
  } catch (error) {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error
    fail(
      `perigee is not built, or not whole: ${error.message}`,
      'run `npm run build` in the repository first',
    )
  }
}

function fail(what, hint) {
  process.stderr.write(`error: ${what}\nhint: ${hint}\n`)
  process.exitCode = 1
}
