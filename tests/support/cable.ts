import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A port before a server that can be taken away: what a network, a killed server or a stopped one look like from outside. */
export class Cable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;
  #frozen = false;

  private constructor(target: { host: string; port: number }) {
    this.#server = createServer((near) => {
      const far = connect(target);
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('data', (bytes) => other.write(bytes));
        socket.on('end', () => other.end());
        socket.on('error', () => other.destroy());
        socket.on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
        if (this.#frozen) socket.pause();
      }
    });
  }

  static async to(port: number, host = '127.0.0.1'): Promise<Cable> {
    const cable = new Cable({ host, port });
    await cable.plugIn();
    return cable;
  }

  get port(): number {
    return this.#port;
  }

  /** Connections are made again, on the same port. */
  async plugIn(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Breaks every connection, and refuses new ones until it is plugged in. */
  async unplug(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  /** As if nothing had been. */
  async replug(): Promise<void> {
    this.thaw();
    if (!this.#server.listening) await this.plugIn();
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Connections stay and are accepted, and nothing goes through. */
  freeze(): void {
    this.#frozen = true;
    for (const socket of this.#sockets) socket.pause();
  }

  thaw(): void {
    this.#frozen = false;
    for (const socket of this.#sockets) socket.resume();
  }
}
