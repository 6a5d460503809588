import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The same listen backlog as Holdfast's. */
const backlog = 4_096
const keepAliveTimeout = 65_000

/** Listens on a free loopback port, prints the URL, and ends on SIGTERM. */
export function listen(name: string, listener: RequestListener): void {
  const server = createServer({ keepAliveTimeout }, listener)
  server.listen({ host: '127.0.0.1', port: 0, backlog }, () => {
    const { port } = server.address() as AddressInfo
    process.stdout.write(`${name} listens on http://127.0.0.1:${port}\n`)
  })
  process.once('SIGTERM', () => process.exit(0))
}
