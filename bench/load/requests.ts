import { readFileSync } from 'node:fs'
import { Tokens } from '../shoppers.ts'
import type { Job } from './job.ts'

/** Writes the requests of the shoppers, as text that goes to the socket as it is. */
export class Requests {
  private readonly tokens: Tokens
  private readonly head: string
  /** The request that reads the product, as a shopper does who waits for a sale. */
  readonly look: string
  private readonly bodies: readonly string[]

  constructor(job: Job) {
    this.tokens = new Tokens(readFileSync(job.tokensPath), job.shoppers)
    const host = ` HTTP/1.1\r\nhost: ${new URL(job.origins[0] ?? '').host}\r\n`
    this.head = `${host}authorization: Bearer `
    this.look = `GET /v1/products/${job.productIds[0] ?? 0}/stock${host}\r\n`
    this.bodies = job.productIds.map((productId) => {
      return withLength({ flashSaleId: job.flashSaleId, productId, quantity: 1 })
    })
  }

  /** `index` chooses the product; the key is left out when undefined. */
  addToCart(shopper: number, index: number, key: string | undefined): string {
    const body = this.bodies[index % this.bodies.length] ?? ''
    return this.write(`POST /v1/cart/items`, shopper, keyLine(key) + body)
  }

  /** Makes the request for the status of a 202. */
  askStatus(shopper: number, statusUrl: string): string {
    return this.write(`GET ${statusUrl}`, shopper, '\r\n')
  }

  putBack(shopper: number): string {
    return this.write('DELETE /v1/cart', shopper, '\r\n')
  }

  checkOut(shopper: number, key: string): string {
    return this.write('POST /v1/checkout', shopper, keyLine(key) + withLength({}))
  }

  pay(shopper: number, invoiceId: string, key: string): string {
    const rest = keyLine(key) + withLength({ paymentMethod: 'pm_ok' })
    return this.write(`POST /v1/invoices/${invoiceId}/pay`, shopper, rest)
  }

  private write(line: string, shopper: number, rest: string): string {
    return `${line}${this.head}${this.tokens.of(shopper)}\r\n${rest}`
  }
}

function keyLine(key: string | undefined): string {
  return key === undefined ? '' : `idempotency-key: ${key}\r\n`
}

function withLength(body: unknown): string {
  const text = JSON.stringify(body)
  return `content-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`
}
