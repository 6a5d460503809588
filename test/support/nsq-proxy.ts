import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A TCP proxy in front of nsqd that can drop the commands of consumers. */
export interface NsqProxy {
  /** host:port */
  readonly address: string
  /** Drops everything that subscribed connections send from now on. */
  muteConsumers(): void
  /** Returns how many FINs were dropped. */
  lostFinishes(): number
  stop(): Promise<void>
}

export async function startNsqProxy(nsqdAddress: string): Promise<NsqProxy> {
  const [host = '', port = ''] = nsqdAddress.split(':')
  const sockets = new Set<Socket>()
  let isMute = false
  let lost = 0

  const server = createServer((client) => {
    const upstream = connect(Number(port), host)
    let isConsumer = false
    client.on('data', (chunk) => {
      const said = chunk.toString('latin1')
      isConsumer ||= said.includes('SUB ')
      if (isMute && isConsumer) lost += said.split('FIN ').length - 1
      else upstream.write(chunk)
    })
    upstream.pipe(client)
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    muteConsumers() {
      isMute = true
    },
    lostFinishes: () => lost,
    async stop() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
