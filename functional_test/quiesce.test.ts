import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { createClient, type Client } from './client.ts'
import { Crowd } from './crowd.ts'
import { emptyHistory } from './history.ts'
import { waitForUnpaidHolds } from './quiesce.ts'
import type { Bot } from './run.ts'
import { now } from './time.ts'

let server: Server
let client: Client

afterEach(async () => {
  await client.close()
  server.closeAllConnections()
  server.close()
})

/** Serves an invoice that shows the next of `states` at each read; the last one stays. */
async function serveInvoice(dueAt: number, states: readonly string[]): Promise<string> {
  let looks = 0
  server = createServer((_request, response) => {
    const status = states[Math.min(looks, states.length - 1)]
    looks += 1
    const lines = [{ reservationId: 'r1', productId: 1, quantity: 1 }]
    const body = { id: 'i1', userId: 1, status, lines, dueAt: new Date(dueAt).toISOString() }
    response.writeHead(200).end(JSON.stringify(body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on a port')
  return `http://127.0.0.1:${address.port}`
}

test.each([
  ['was declined a moment before anybody looked', ['unpaid', 'expired']],
  ['is declined while somebody looks', ['paying', 'unpaid', 'expired']],
])(
  'a hold long past its deadline whose card %s ends with the next sweep',
  async (_when, states) => {
    const dueAt = now() - 60_000
    const origin = await serveInvoice(dueAt, states)
    const history = emptyHistory()
    client = createClient({ origins: [origin], deadlineAt: now() + 10_000, history })
    const about = { bot: 0, reservationId: 'r1', quantity: 1 }
    history.holds.push({ ...about, toldAt: dueAt - 6_000, expiresAt: dueAt })
    const invoice = { bot: 0, invoiceId: 'i1', reservationIds: ['r1'], dueAt }
    history.invoices.push({ ...invoice, askedAt: dueAt - 5_000 })
    const crowd = new Crowd(1)
    const run = { shoppers: client, history, crowd, flashSaleId: 1, productId: 1, id: 'test' }
    const bot = { index: 0, userId: 1, token: 'somebody' } as Bot
    await waitForUnpaidHolds(run, [bot], 0)
    expect(history.overstays).toEqual([])
    expect(history.endings).toMatchObject([{ reservationId: 'r1' }])
  },
)
