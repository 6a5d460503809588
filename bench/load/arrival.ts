import { setTimeout as pause } from 'node:timers/promises'
import { addressOf, Connection, type Address, type Answerer } from './connection.ts'

/**
 * Shoppers connect before the sale opens: some at a time connect and read the product, and the next
 * ones follow when all of these were answered. libuv accepts one connection per turn of its loop,
 * so a busy server does not accept new ones for seconds, closes accepted ones that stay silent, and
 * its backlog holds 4,096. Real shoppers have loaded the page before, over the connection they use
 * then.
 */
export interface Crowd {
  readonly count: number
  /** The connections are spread evenly over these origins. */
  readonly origins: readonly string[]
  /** The request that looks; the answer must be 200. */
  readonly look: string
}

const comingAtOnceMax = 100
const letInWithinMs = 20_000

/**
 * Opens all connections and waits for one answer on each. From then on `answerer` gets their
 * answers.
 */
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
