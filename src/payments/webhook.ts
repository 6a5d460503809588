import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'

/**
 * The provider's webhooks and their signature. The header `Payment-Signature` carries `t=<epoch
 * seconds>,v1=<hex>`, where `v1` is an HMAC-SHA-256 of `<t>.<body as it was sent>`. While a secret
 * changes, a provider signs with both secrets and sends `v1` twice.
 */
export const signatureHeader = 'payment-signature'

/** An older signature may have been copied, so it is refused. */
export const webhookToleranceMs = 300_000

/**
 * A webhook has this many signatures at most; a list without end would make a forgery expensive for
 * us.
 */
const signaturesMax = 4

/**
 * An event says only that something happened to a payment; the program asks the provider what it
 * was. Other fields are allowed and ignored, since providers add fields without asking their
 * receivers.
 */
export const webhookEvent = z.object({
  id: z
    .string()
    .regex(/^[!-~]{1,255}$/, '1 to 255 visible ASCII characters')
    .meta({ examples: ['evt_1'] }),
  type: z
    .string()
    .regex(/^[!-~]{1,100}$/, 'visible ASCII, such as payment.captured')
    .meta({ examples: ['payment.captured'] }),
  paymentId: z
    .string()
    .regex(/^[!-~]{1,200}$/, '1 to 200 visible ASCII characters')
    .meta({ examples: ['0197a1b2-3c4d-7e5f-8a6b-0c1d2e3f4a5b'] }),
  createdAt: z
    .string()
    .max(100)
    .optional()
    .describe('When it happened; not used')
    .meta({ examples: ['2026-12-12T12:13:00Z'] }),
})
export type WebhookEvent = z.infer<typeof webhookEvent>

/** Signs a body with one secret. `now` in epoch ms. */
export function signWebhook(secret: string, body: string | Buffer, now: number): string {
  const seconds = String(Math.floor(now / 1000))
  return `t=${seconds},v1=${digest(secret, seconds, body).toString('hex')}`
}

export interface SignedWebhook {
  /** The secrets that verify: the new one and, while it is introduced, the old one. */
  readonly secrets: readonly string[]
  readonly body: Buffer
  readonly signature: string | undefined
  /** Epoch ms. */
  readonly now: number
}

/**
 * Tells whether one of the secrets signed exactly these bytes within the tolerance. The form and
 * the time are checked before any HMAC is computed: a forgery then costs 1 µs instead of 20 µs for
 * 16 kB.
 */
export function isWebhookGenuine({ secrets, body, signature = '', now }: SignedWebhook): boolean {
  const { seconds, digests } = parseSignature(signature)
  const isFresh = Math.abs(now - Number(seconds) * 1000) <= webhookToleranceMs
  if (!isFresh || digests.length === 0) return false
  return secrets.some((secret) => {
    const expected = digest(secret, seconds, body)
    return digests.some((given) => timingSafeEqual(expected, given))
  })
}

interface ParsedSignature {
  /** Epoch seconds in digits; another text when the header has none, or several. */
  readonly seconds: string
  readonly digests: readonly Buffer[]
}

/** Elements of other schemes (`v0=…`) are left to others; hexadecimal digits have no case. */
function parseSignature(signature: string): ParsedSignature {
  const elements = signature.split(',').map((element) => element.trim())
  const times = elements.filter((element) => element.startsWith('t='))
  const digests = elements
    .flatMap((element) => /^v1=([0-9a-f]{64})$/i.exec(element)?.[1] ?? [])
    .slice(0, signaturesMax)
    .map((hex) => Buffer.from(hex, 'hex'))
  const seconds = times.length === 1 ? /^t=(\d{1,12})$/.exec(times[0] ?? '')?.[1] : undefined
  return { seconds: seconds ?? 'none', digests }
}

function digest(secret: string, seconds: string, body: string | Buffer): Buffer {
  return createHmac('sha256', secret).update(`${seconds}.`).update(body).digest()
}
