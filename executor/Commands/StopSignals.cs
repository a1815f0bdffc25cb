using System.Runtime.InteropServices;
using RunnerVm.Guests;

namespace RunnerVm.Commands;

/// <summary>
/// Ctrl-C, SIGTERM and a closed terminal: the first asks the job to stop, the second ends its machine at once, the third
/// ends this program whatever it waits for (the kernel takes the machine along, the next command sweeps).
/// </summary>
internal sealed class StopSignals : IDisposable
{
    private readonly List<PosixSignalRegistration> _registrations = [];
    private int _wishes;

    private StopSignals(StopRequest stop)
    {
        foreach (var signal in new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP })
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                var wish = Interlocked.Increment(ref _wishes);
                if (wish == 1) stop.Ask();
                else if (wish == 2) stop.Abandon();
                else Environment.Exit(ExitCodes.Cancelled);
            }));
        }
    }

    public static StopSignals Attach(StopRequest stop) => new(stop);

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
    }
}
