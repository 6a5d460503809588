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
  /** The unanswered responses of each open connection, oldest first. */
  const open = new Map<Socket, Set<ServerResponse>>()
  server.on('connection', (socket: Socket) => {
    open.set(socket, new Set())
    socket.once('close', () => open.delete(socket))
  })

  /** Or each idle connection would keep its last request and answer in memory: 14 kB. */
  function forget(this: ServerResponse): void {
    open.get(this.req.socket)?.delete(this)
  }

  return {
    serves(request, response) {
      open.get(request.socket)?.add(response)
      response.once('close', forget)
    },
    closeUnaccepted() {
      for (const [socket, responses] of open) if (!hasAccepted(responses)) socket.destroy()
    },
    whenAnswered(socket, task) {
      // Answers leave in the order of their requests, so the last one is the one to wait for.
      const last = [...(open.get(socket) ?? [])].findLast(isAccepted)
      if (last === undefined) task()
      else last.once('close', task)
    },
  }
}

const hasAccepted = (responses: ReadonlySet<ServerResponse>): boolean =>
  [...responses].some(isAccepted)

function isAccepted(response: ServerResponse): boolean {
  return response.req.complete && !response.writableFinished
}
