import type { Sample } from '../measure/sample.ts'
import type { Place } from '../regions/place.ts'
import type { Turn } from './side.ts'

/** What a driver is asked. */
export type Asked =
  | { readonly kind: 'open'; readonly side: string; readonly place: Place }
  | { readonly kind: 'turn'; readonly turn: Turn }
  | { readonly kind: 'stop' }
  | { readonly kind: 'close' }

/** What it answers, one answer a question; `stop` and `close` have none. */
export type Told =
  | { readonly kind: 'open' }
  | { readonly kind: 'turned'; readonly sample: Sample }
  | { readonly kind: 'failed'; readonly error: string }
