/**
 * An address `host:port` or `[::1]:port`. We split it because nsqjs splits IPv6 addresses wrongly.
 */
export interface NsqAddress {
  readonly host: string
  readonly port: number
}

/**
 * Splits an address.
 * @throws RangeError
 */
export function parseAddress(address: string): NsqAddress {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(address) ?? []
  const host = bracketed ?? plain
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new RangeError(`not an address, host:port is wanted: ${JSON.stringify(address)}`)
  }
  return { host, port: Number(port) }
}
