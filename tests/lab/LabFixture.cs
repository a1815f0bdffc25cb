using System.Text;
using RunnerVm.Guests;
using RunnerVm.Images;
using RunnerVm.Logs;
using Xunit;

[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
[assembly: AssemblyFixture(typeof(RunnerVm.Tests.Lab.LabFixture))]

namespace RunnerVm.Tests.Lab;

/// <summary>
/// One lab for all facts of this assembly, brought up by the first that runs something in it. A fact leaves nothing
/// behind in it; one that needs a lab of its own starts one.
/// </summary>
public sealed class LabFixture : IAsyncLifetime
{
    private readonly SemaphoreSlim _one = new(1);
    private Lab? _lab;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_lab is not null) await _lab.DisposeAsync();
        _one.Dispose();
    }

    internal async Task<Lab> LabAsync()
    {
        await _one.WaitAsync(TestContext.Current.CancellationToken);
        try
        {
            // The first on a new host downloads packages and builds an image.
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(10));
            return _lab ??= await Lab.StartAsync(LabPlaces.FromEnvironment(), new(), new NoProgress(), patience.Token);
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Runs a bash script in the lab; a script that takes longer than <paramref name="limit"/> (1 min) fails the fact.</summary>
    /// <remarks>
    /// A script that stands still is run once more in a new lab, and that is printed. Guests of the lab's emulated AMD-V stand
    /// still now and then, QEMU's own as well as ours (see MachineLab), which says nothing about the monitor; a monitor that
    /// makes them stand still does it twice.
    /// </remarks>
    internal async Task<LabResult> RunAsync(string script, TimeSpan? limit = null)
    {
        try
        {
            return await RunOnceAsync(script, limit);
        }
        catch (TimeoutException e) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            await Console.Out.WriteLineAsync($"A script in the lab stood still and is run once more in a new lab ({TestContext.Current.Test?.TestDisplayName}): {e.Message}");
            return await RunOnceAsync(script, limit);
        }
    }

    private async Task<LabResult> RunOnceAsync(string script, TimeSpan? limit)
    {
        try
        {
            return await RunAsync(await LabAsync(), script, limit);
        }
        catch (Exception)
        {
            // A script that does not end may take its lab with it; the facts after it get another.
            if (Interlocked.Exchange(ref _lab, null) is { } spoilt) await spoilt.DisposeAsync();
            throw;
        }
    }

    internal static async Task<LabResult> RunAsync(Lab lab, string script, TimeSpan? limit = null)
    {
        using var stop = new StopRequest(TimeProvider.System, TimeSpan.FromSeconds(2));
        using var deadline = new CancellationTokenSource(limit ?? TimeSpan.FromMinutes(1));
        using var abandon = TestContext.Current.CancellationToken.Register(stop.Abandon);
        using var late = deadline.Token.Register(stop.Ask);
        var (output, errors) = (new MemoryStream(), new MemoryStream());
        int? status = null;
        try
        {
            status = await lab.RunAsync(script, async (stream, bytes) => await (stream == OutputStream.StandardError ? errors : output).WriteAsync(bytes), stop);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            // Said below, with what the script had to say.
        }

        var result = new LabResult(status ?? -1, Encoding.UTF8.GetString(output.ToArray()), Encoding.UTF8.GetString(errors.ToArray()));
        return deadline.IsCancellationRequested ? throw new TimeoutException($"the script did not end in time\n{result}") : result;
    }

    private sealed class NoProgress : IProgress<BuildProgress>
    {
        public void Report(BuildProgress value)
        {
        }
    }
}

/// <summary>What a script in the lab left.</summary>
internal sealed record LabResult(int ExitCode, string Output, string Error)
{
    /// <summary>Fails the fact with all that was said when the status is another.</summary>
    public LabResult ExpectExit(int status)
    {
        Assert.True(ExitCode == status, $"status {ExitCode} instead of {status}\n{this}");
        return this;
    }

    public override string ToString() => $"--- output\n{Output}\n--- error\n{Error}";
}
