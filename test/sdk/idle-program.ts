/** Makes a call at the address given, waits until its sidecar's health is known, and closes nothing. */
import { Perigee } from '@perigee/sdk'

const perigee = await Perigee.connect({
  addresses: { 'eu-west-1': process.argv[2] ?? '' },
  region: 'eu-west-1',
  tls: JSON.parse(process.argv[3] ?? 'null') ?? undefined,
})
process.stdout.write(`${(await perigee.cluster.status()).region}\n`)
await new Promise((resolve) => setTimeout(resolve, 500))
const idleAt = performance.now()
process.on('exit', () => process.stdout.write(`${performance.now() - idleAt}\n`))
