import { setFlagsFromString } from 'node:v8'

/*
 * Keeps the heap near what is alive in it. Left to itself V8 lets the space for young objects grow to 3 × 32 MiB and the old
 * space to a multiple of what it holds while a region fills, gives none of it back, and makes nothing here faster that can
 * be measured. What a busy stream goes through in buffers counts as heap here: at 20 % instead of 60, collecting takes as long as
 * all the rest of a call; at 80, searches cost a seventh less, and a sidecar after Sets has 10 to 40 MiB more. Must be set before the heap has grown: so this is
 * the first module that `main.ts` imports. Node's flags `--min-semi-space-size` and `--max-semi-space-size` can only be given at
 * the start: 4 MiB for both takes a tenth off the processor time of a call, and no more memory than the default.
 */
setFlagsFromString('--semi-space-growth-factor=1')
setFlagsFromString('--heap-growing-percent=60')
/*
 * What calls in flight hold is alive at some collections, whereupon V8 would make all of its kind in the old space right away, where
 * only the costly collections find it dead. With this a search takes a tenth less of the processor's time.
 */
setFlagsFromString('--no-allocation-site-pretenuring')
