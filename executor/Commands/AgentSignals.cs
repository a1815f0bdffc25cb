using System.Runtime.InteropServices;
using RunnerVm.Agents;
using Serilog;

namespace RunnerVm.Commands;

/// <summary>
/// SIGTERM and Ctrl-C: the first ends the taking of jobs, the second the jobs, the third this program (the kernel takes
/// its machines along, the next start reports what was left). SIGHUP: the configuration is read again.
/// </summary>
internal sealed class AgentSignals : IDisposable
{
    private readonly List<PosixSignalRegistration> _registrations = [];
    private int _wishes;

    private AgentSignals(AgentStop stop, ConfigurationReloads reloads, ILogger log)
    {
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            reloads.Reload();
        }));
        foreach (var signal in new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM })
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                switch (Interlocked.Increment(ref _wishes))
                {
                    case 1:
                        log.Information("Takes no more jobs and waits for those that run; once more ends them");
                        stop.Drain();
                        break;
                    case 2:
                        log.Warning("Ends the jobs that run");
                        stop.Abort();
                        break;
                    default:
                        Environment.Exit(ExitCodes.Cancelled);
                        break;
                }
            }));
        }
    }

    public static AgentSignals Attach(AgentStop stop, ConfigurationReloads reloads, ILogger log) => new(stop, reloads, log);

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
    }
}
