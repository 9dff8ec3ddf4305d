const hosts = ['127.0.0.1', 'localhost'];

/** Whether an address, `host:port`, is on this machine: no proxy can reach it for us. */
export function isLoopback(address: string): boolean {
  const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host);
}

/**
 * The environment in which what listens on this machine is reached directly, whatever proxy is set: gRPC reads
 * `no_grpc_proxy` before `no_proxy`, others either spelling.
 */
export function loopbackDirect(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const lower = withHosts(env['no_proxy'] ?? env['NO_PROXY']);
  const upper = withHosts(env['NO_PROXY'] ?? env['no_proxy']);
  const grpc = env['no_grpc_proxy'];
  return {
    ...env,
    no_proxy: lower,
    NO_PROXY: upper,
    ...(grpc === undefined || grpc === '' ? {} : { no_grpc_proxy: withHosts(grpc) }),
  };
}

function withHosts(list = ''): string {
  const given = list.split(',').map((host) => host.trim());
  return [...given.filter((host) => host !== ''), ...hosts.filter((host) => !given.includes(host))].join(',');
}
