export interface Address {
  readonly host: string
  readonly port: number
}

/** `host:port` */
export function addressText({ host, port }: Address): string {
  return `${host}:${port}`
}
