import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Knows of every open connection whether a request on it was accepted and is still to be answered. */
export interface Connections {
  /** Call it for every request that has arrived. */
  serves(request: IncomingMessage, response: ServerResponse): void
  /** Closes those without a whole request waiting for its answer; Node keeps them as not idle. */
  closeUnaccepted(): void
  /** Runs the task when everything accepted on the connection is answered: at once, mostly. */
  whenAnswered(socket: Socket, task: () => void): void
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

export function trackConnections(server: Server): Connections {
  /** The last exchange on each open connection; undefined before the first. */
  const open = new Map<Socket, Exchange | undefined>()
  server.on('connection', (socket: Socket) => {
    open.set(socket, undefined)
    socket.once('close', () => open.delete(socket))
  })

  return {
    serves(request, response) {
      if (open.has(request.socket)) open.set(request.socket, { request, response })
    },
    closeUnaccepted() {
      for (const [socket, exchange] of open) if (!isAccepted(exchange)) socket.destroy()
    },
    whenAnswered(socket, task) {
      const exchange = open.get(socket)
      // Answers leave in the order of their requests, so the last one is the one to wait for.
      if (isAccepted(exchange)) exchange.response.once('close', task)
      else task()
    },
  }
}

function isAccepted(exchange: Exchange | undefined): exchange is Exchange {
  return exchange !== undefined && exchange.request.complete && !exchange.response.writableFinished
}
