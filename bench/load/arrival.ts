import { setTimeout as pause } from 'node:timers/promises'
import { addressOf, Connection, type Address, type Answerer } from './connection.ts'

/**
 * How shoppers come before the sale opens: some at a time they connect and look at the product, and
 * the next ones come when all of these were answered. libuv accepts one connection per turn of its
 * loop. So whoever knocks at a busy server is not even accepted for seconds, a server cuts off who was
 * accepted and says nothing for seconds, and the backlog holds 4,096. Nobody's page is in such a
 * state when the sale opens: it has been loaded, over the connection that asks then.
 */
export interface Crowd {
  readonly count: number
  /** Dealt out evenly over these. */
  readonly origins: readonly string[]
  /** The request that looks; the answer must be 200. */
  readonly look: string
}

const comingAtOnceMax = 100
const letInWithinMs = 20_000

/** All connections, open and answered once; from then on `answerer` hears of them. */
export async function arrive(
  { count, origins, look }: Crowd,
  answerer: Answerer,
): Promise<readonly Connection[]> {
  const addresses = origins.map(addressOf)
  const connections: Connection[] = []
  while (connections.length < count) {
    const from = connections.length
    const some = Array.from({ length: Math.min(comingAtOnceMax, count - from) }, (_, offset) => {
      const address = addresses[(from + offset) % addresses.length]
      if (address === undefined) throw new Error('no server to connect to')
      return lookAround(from + offset, address, look)
    })
    connections.push(...(await Promise.race([Promise.all(some), tooLate()])))
  }
  for (const connection of connections) connection.hand(answerer)
  return connections
}

async function tooLate(): Promise<never> {
  await pause(letInWithinMs, undefined, { ref: false })
  throw new Error(`${comingAtOnceMax} connections were not let in within ${letInWithinMs} ms`)
}

function lookAround(index: number, address: Address, look: string): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const connection = new Connection(index, address, {
      answered(arrived, status, body) {
        if (status === 200) resolve(arrived)
        else reject(new Error(`looking at the product was answered ${status}: ${body}`))
      },
      broke(_, reason) {
        reject(new Error(`lost while looking at the product: ${reason}`))
      },
    })
    connection.send(look)
  })
}
