import { fileURLToPath } from 'node:url'
import { createCall, type Call } from './http.ts'
import { startChild } from './processes/child-process.ts'

/** `npm run payment-simulator` as a process of its own. */
export interface SimulatorProcess {
  readonly url: string
  readonly call: Call
  /** Turns the operator's switches. */
  switch(positions: Readonly<Record<string, unknown>>): Promise<void>
  /** Lets the money of a push payment arrive. */
  arrive(paymentId: string): Promise<void>
  /** Reads the status at the provider; undefined when it does not know the payment. */
  statusOf(paymentId: string): Promise<string | undefined>
  stop(): Promise<void>
}

export interface SimulatorProcessOptions {
  readonly path: string
  readonly webhookUrl: string
  readonly webhookSecret: string
}

const script = fileURLToPath(new URL('../../scripts/payment-simulator.ts', import.meta.url))

export async function startPaymentSimulator(
  options: SimulatorProcessOptions,
): Promise<SimulatorProcess> {
  const { path, webhookUrl, webhookSecret } = options
  const places = ['--port', '0', '--path', path, '--webhooks', webhookUrl]
  const child = startChild({
    name: 'the payment simulator',
    command: [process.execPath, '--import', 'tsx', script, ...places],
    environment: { PATH: process.env['PATH'], PAYMENT_WEBHOOK_SECRET: webhookSecret },
  })
  const [, url = ''] = await child.printed(/listens on (http:\S+)/)
  const call = createCall(url)

  async function expectOk(method: string, path: string, body?: unknown): Promise<void> {
    const answer = await call(method, path, { body })
    if (answer.status !== 200) throw new Error(`${path}: ${answer.text}`)
  }

  return {
    url,
    call,
    switch: (positions) => expectOk('PATCH', '/simulator', positions),
    arrive: (paymentId) => expectOk('POST', `/simulator/${paymentId}/arrive`),
    async statusOf(paymentId) {
      const answer = await call('GET', `/payments/${paymentId}`)
      if (answer.status === 404) return undefined
      return (answer.body as unknown as { readonly status: string }).status
    },
    async stop() {
      await child.stop()
    },
  }
}
