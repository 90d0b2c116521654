import { Option } from 'commander'

/** When a write counts as acknowledged. */
export type DurabilityChoice = 'primary' | 'replicated'

/** The option of commands that write. */
export function durabilityOption(): Option {
  const what = 'acknowledged by the primary alone, or once it survives the loss of the primary'
  return new Option('--durability <kind>', what).choices(['primary', 'replicated']).default('primary')
}
