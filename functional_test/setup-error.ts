import type { Reply } from './client.ts'

/** Thrown when a run cannot begin, so that there is no verdict. `message` says what to do. */
export class SetupError extends Error {
  override readonly name = 'SetupError'

  constructor(message: string, reply?: Reply | null) {
    super(reply === undefined ? message : `${message}: ${describe(reply)}`)
  }
}

function describe(reply: Reply | null): string {
  if (reply === null) return 'no answer'
  return `it answered ${reply.status} ${reply.code ?? ''}`.trim()
}
