using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using CliWrap;

namespace RunnerVm.Machines;

/// <summary>
/// Tells KVM that is real from KVM that is emulated below us, by running <c>runnervm-vmm --probe</c>: a loop in guest
/// ring 0 (design.md section 5). The figure is paid for once a boot.
/// </summary>
/// <param name="programsFolder">Where our programs lie side by side; see <see cref="DefaultProgramsFolder"/>.</param>
internal sealed class RingZeroProbe(string programsFolder, FactCache facts, TimeProvider time)
{
    public const string Program = "runnervm-vmm";

    /// <summary>The probe bounds itself to two seconds; this is for a probe that hangs in the kernel.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private RingZeroResult? _result;

    /// <summary>The folder this program was started from.</summary>
    public static string DefaultProgramsFolder => Path.GetDirectoryName(Environment.ProcessPath) ?? AppContext.BaseDirectory;

    /// <summary>Never throws but for cancellation: a probe that fails in any way is a KVM that is not real.</summary>
    public async Task<RingZeroResult> RunAsync(CancellationToken cancellationToken)
    {
        if (_result is not null) return _result;
        var program = Path.Combine(programsFolder, Program);
        if (!File.Exists(program))
            return RingZeroResult.Unknown($"the probe {program} is not there", "Build it: ./runnervm does.");

        var key = Key(program);
        if (facts.Recall("ring-zero", key) is { } remembered && Parse(remembered) is { } known) return _result = known;
        var (text, problem) = await AskAsync(program, cancellationToken);
        if (Parse(text) is not { } fresh) return _result = RingZeroResult.Unknown($"{program} --probe {problem}", null);
        facts.Remember("ring-zero", key, text);
        return _result = fresh;
    }

    private async Task<(string Output, string Problem)> AskAsync(string program, CancellationToken cancellationToken)
    {
        var output = new BoundedTail(4096);
        using var deadline = new CancellationTokenSource(Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            var result = await Cli.Wrap(program).WithArguments("--probe")
                .WithValidation(CommandResultValidation.None)
                .WithStandardOutputPipe(PipeTarget.Create(output.FillFromAsync))
                .ExecuteAsync(either.Token);
            return (output.ToString(), $"ended with status {result.ExitCode} and no answer");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return ("", $"did not end within {Limit.TotalSeconds} seconds");
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return ("", $"could not be started: {e.Message}");
        }
    }

    private static RingZeroResult? Parse(string text)
    {
        try
        {
            return JsonSerializer.Deserialize(Encoding.UTF8.GetBytes(text), RingZeroJson.Default.RingZeroResult);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Another boot, another device node, other rights to it, another probe: another answer.</summary>
    private static string Key(string program)
    {
        const string Device = "/dev/kvm";
        var boot = File.Exists("/proc/sys/kernel/random/boot_id") ? File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim() : "";
        var device = File.Exists(Device)
            ? $"{File.GetLastWriteTimeUtc(Device).Ticks} {(int)File.GetUnixFileMode(Device)} {CanOpen(Device)}"
            : "absent";
        return $"{boot} | {device} | {File.GetLastWriteTimeUtc(program).Ticks} {new FileInfo(program).Length}";
    }

    private static bool CanOpen(string device)
    {
        try
        {
            using var file = File.OpenHandle(device, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}

/// <summary>What <c>runnervm-vmm --probe</c> prints.</summary>
/// <param name="Kvm">A virtual CPU could be made and ran.</param>
/// <param name="Api">KVM_GET_API_VERSION; 12 since 2007.</param>
/// <param name="IterationsPerSecond">Of <c>dec; jnz</c> in guest ring 0; 0 when it did not run.</param>
/// <param name="Real">More than 50 million iterations a second.</param>
/// <param name="Reason">Why not; null when real.</param>
/// <param name="Fix">What to do about it; null when nothing is to be done or can be.</param>
/// <param name="TscKhz">Measured frequency of the time stamp counter, 0 when unknown.</param>
internal sealed record RingZeroResult(
    bool Kvm, int Api, double IterationsPerSecond, bool Real, string? Reason, string? Fix, long TscKhz)
{
    public static RingZeroResult Unknown(string reason, string? fix) => new(false, 0, 0, false, reason, fix, 0);

    /// <summary>The figure in words people read.</summary>
    [JsonIgnore]
    public string Figure => $"{IterationsPerSecond / 1e6:0.#} million iterations/s in guest ring 0";
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(RingZeroResult))]
internal sealed partial class RingZeroJson : JsonSerializerContext;
