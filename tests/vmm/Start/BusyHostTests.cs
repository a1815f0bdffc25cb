using RunnerVm.Tests.Vmm.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Start;

/// <summary>
/// Starts where threads wait long for a processor. Of 2,911 starts at a load of 17 six ended by themselves: a thread of the runtime
/// that came too late for its first calls under the filter, and one that found its stack's guard changed.
/// </summary>
public sealed class BusyHostTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("busy-").FullName;
    private volatile bool _over;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void However_busy_its_host_is_a_monitor_starts_its_machine_and_goes_on()
    {
        var starts = Environment.GetEnvironmentVariable("RUNNERVM_SOAK") == "1" ? 3000 : 25;
        var kernel = FreestandingGuest.Build("spin");
        var busy = Enumerable.Range(0, 4 * Environment.ProcessorCount).Select(_ => new Thread(Spin)).ToList();
        foreach (var thread in busy) thread.Start();
        try
        {
            for (var i = 0; i < starts; i++) StartOne(kernel);
        }
        finally
        {
            _over = true;
            foreach (var thread in busy) thread.Join();
        }
    }

    private void StartOne(string kernel)
    {
        var socket = Path.Combine(_folder, "api");
        using (var program = MonitorProgram.Start("--api-sock", socket))
        {
            using var api = program.Connect(socket);
            var answer = api.Ask("PUT", "/boot", $$"""{"kernel_image_path": "{{kernel}}", "boot_args": "", "machine-config": {"vcpu_count": 2, "mem_size_mib": 16} }""");
            Assert.Equal(204, answer.Status);
            Assert.Equal(200, api.Ask("GET", "/").Status);
        }

        File.Delete(socket);
    }

    private void Spin()
    {
        while (!_over) Thread.SpinWait(1000);
    }
}
