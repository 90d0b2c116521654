import type { Receipt } from '@perigee/sdk'
import type { Output } from './output.ts'

const BECAUSE: Record<NonNullable<Receipt['fallbackReason']>, string> = {
  behind: 'behind the session, or the primary by more than allowed',
  'data-unavailable': 'without its Redis',
  'index-building': 'still filling its index',
}

/** Tells people what a receipt holds that they should know: that another region answered, and warnings. */
export function showReceipt(output: Output, receipt: Receipt | undefined): void {
  if (!receipt) return
  if (receipt.fallback) {
    const why = receipt.fallbackReason ? `: the region asked was ${BECAUSE[receipt.fallbackReason]}` : ''
    output.note(`answered by ${receipt.region}${why}`)
  }
  for (const warning of receipt.warnings) output.warn(warning)
}

/** A receipt, for machines. */
export function receiptJson(receipt: Receipt | undefined) {
  if (!receipt) return null
  const { region, fallback, fallbackReason, stalenessMs, waitedMs, warnings } = receipt
  return {
    region,
    fallback,
    fallbackReason: fallbackReason ?? null,
    stalenessMs: stalenessMs ?? null,
    waitedMs,
    warnings,
  }
}
