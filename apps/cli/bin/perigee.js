#!/usr/bin/env node
try {
  await import('../dist/main.js')
} catch (error) {
  if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error
  const built = 'perigee is not built, or not whole'
  process.stderr.write(
    `error: ${built}: ${error.message}\nhint: run \`npm run build\` in the repository first\n`,
  )
  process.exitCode = 1
}
