import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createCall, type Call } from './http.ts'

/** `npm run payment-simulator` as a process of its own. */
export interface SimulatorProcess {
  readonly url: string
  readonly call: Call
  /** Turns the operator's switches. */
  switch(positions: Readonly<Record<string, unknown>>): Promise<void>
  /** The money of a push payment arrives. */
  arrive(paymentId: string): Promise<void>
  /** As the provider has it; undefined when it does not know it. */
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
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...places], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '', PAYMENT_WEBHOOK_SECRET: webhookSecret },
  })
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const gone = once(child, 'exit')
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const match = /listens on (http:\S+)/.exec(chunk.toString('utf8'))
      if (match?.[1] !== undefined) resolve(match[1])
    })
    void gone.then(() => {
      reject(new Error('the payment simulator ended at once'))
    })
  })
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
      child.kill('SIGTERM')
      await gone
      process.off('exit', kill)
    },
  }
}

/** A port nobody listens on now, for a process that has to come back to the same one. */
export async function findFreePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
