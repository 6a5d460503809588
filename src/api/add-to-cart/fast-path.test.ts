import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { newUuid } from '../../ids.ts'
import { createLogger } from '../../logger.ts'
import { until } from '../../../test/support/until.ts'
import { createFastPath } from './fast-path.ts'
import { json } from '../http/route.ts'

let server: Server
let tasks: (() => void)[]
let handled: number

const shopper = { userId: 1, userUid: 'f'.repeat(32) }

beforeEach(async () => {
  tasks = []
  handled = 0
  const fastPath = createFastPath({
    addToCart: {
      handle({ quantity }) {
        handled += 1
        // Node cannot write a header with a line feed.
        return Promise.resolve(json(201, { quantity }, quantity === 2 ? { broken: 'a\nb' } : {}))
      },
    },
    authentication: {
      knownShopper: () => shopper,
      shopper: () => Promise.resolve(shopper),
      isAdmin: () => false,
    },
    rateLimit: { take: () => true },
    newId: newUuid,
    logger: createLogger('silent', {}),
    defer: (task) => void tasks.push(task),
  })
  server = createServer((request, response) => fastPath.take(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterEach(() => {
  server.closeAllConnections()
  server.close()
})

async function ask(quantity: number): Promise<number | 'lost'> {
  const { port } = server.address() as AddressInfo
  try {
    const response = await fetch(`http://127.0.0.1:${port}/v1/cart/items`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ flashSaleId: 1, productId: 1, quantity }),
    })
    return response.status
  } catch {
    return 'lost'
  }
}

it('a reply that cannot be written is dropped, and takes none of its tick with it', async () => {
  const replies = [1, 2, 3].map(ask)
  await until(() => handled === 3, 5_000)
  await new Promise((resolve) => setImmediate(resolve))
  expect(tasks).toHaveLength(1)
  tasks[0]?.()
  expect(await Promise.all(replies)).toEqual([201, 'lost', 201])
})
