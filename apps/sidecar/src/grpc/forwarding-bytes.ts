/** Room that a forwarded request takes beyond the request itself: method, region, framing. */
export const FORWARDING_BYTES = 4096
