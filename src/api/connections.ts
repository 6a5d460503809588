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

export function trackConnections(server: Server): Connections {
  /** The last unanswered response on each open connection. */
  const open = new Map<Socket, ServerResponse | undefined>()
  server.on('connection', (socket: Socket) => {
    open.set(socket, undefined)
    socket.once('close', () => open.delete(socket))
  })

  /** Or each idle connection would keep its last request and answer in memory: 14 kB. */
  function forget(this: ServerResponse): void {
    const { socket } = this.req
    if (open.get(socket) === this) open.set(socket, undefined)
  }

  return {
    serves(request, response) {
      if (!open.has(request.socket)) return
      open.set(request.socket, response)
      response.once('close', forget)
    },
    closeUnaccepted() {
      for (const [socket, response] of open) if (!isAccepted(response)) socket.destroy()
    },
    whenAnswered(socket, task) {
      const response = open.get(socket)
      // Answers leave in the order of their requests, so the last one is the one to wait for.
      if (isAccepted(response)) response.once('close', task)
      else task()
    },
  }
}

function isAccepted(response: ServerResponse | undefined): response is ServerResponse {
  return response !== undefined && response.req.complete && !response.writableFinished
}
