using System.Globalization;
using System.Text.Json;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Api.Bodies;

/// <summary>/cpu-config as JSON: a custom CPU template, every number and bitmap checked here so that who applies it need not doubt them.</summary>
internal static class CpuBody
{
    public static CpuConfiguration Read(JsonFields fields)
    {
        var cpu = new CpuConfiguration
        {
            KvmCapabilities = fields.Texts("kvm_capabilities"),
            CpuidModifiers = fields.Items("cpuid_modifiers", ReadLeaf),
            MsrModifiers = fields.Items("msr_modifiers", ReadMsr),
        };
        if (fields.Value("reg_modifiers") is not null || fields.Value("vcpu_features") is not null)
            throw fields.Fault("reg_modifiers", "this field and vcpu_features are for ARM processors. Use cpuid_modifiers and msr_modifiers.");
        fields.NoOthers();
        foreach (var capability in cpu.KvmCapabilities)
        {
            if (!uint.TryParse(capability.StartsWith('!') ? capability[1..] : capability, NumberStyles.None, null, out _))
                throw fields.Fault("kvm_capabilities", "takes numbers as text, with ! in front to remove one: \"121\" or \"!121\".");
        }

        return cpu;
    }

    private static CpuidModifier ReadLeaf(JsonElement item, string path)
    {
        var fields = new JsonFields(item, path + ".");
        var leaf = new CpuidModifier
        {
            Leaf = ReadNumber(fields, "leaf"),
            Subleaf = ReadNumber(fields, "subleaf"),
            Flags = (uint)fields.RequiredNumber("flags", 0, uint.MaxValue),
            Modifiers = fields.Items("modifiers", ReadRegister),
        };
        fields.NoOthers();
        return leaf;
    }

    private static CpuidRegisterModifier ReadRegister(JsonElement item, string path)
    {
        var fields = new JsonFields(item, path + ".");
        var register = fields.RequiredText("register");
        var bitmap = ReadBitmap(fields, "bitmap", 32);
        fields.NoOthers();
        return register is "eax" or "ebx" or "ecx" or "edx" ? new(register, bitmap) : throw fields.Fault("register", "must be eax, ebx, ecx or edx.");
    }

    private static MsrModifier ReadMsr(JsonElement item, string path)
    {
        var fields = new JsonFields(item, path + ".");
        var msr = new MsrModifier(ReadNumber(fields, "addr"), ReadBitmap(fields, "bitmap", 64));
        fields.NoOthers();
        return msr;
    }

    /// <summary>Hexadecimal from here on, whichever way it was written.</summary>
    private static string ReadNumber(JsonFields fields, string name)
    {
        var text = fields.RequiredText(name);
        var read = uint.TryParse(text.AsSpan(Math.Min(2, text.Length)), text.StartsWith("0b", StringComparison.Ordinal) ? NumberStyles.AllowBinarySpecifier : NumberStyles.AllowHexSpecifier, null, out var number);
        return read && (text.StartsWith("0x", StringComparison.Ordinal) || text.StartsWith("0b", StringComparison.Ordinal))
            ? $"0x{number:x}"
            : throw fields.Fault(name, "must be a number of 32 bits as text, with 0x or 0b in front.");
    }

    private static string ReadBitmap(JsonFields fields, string name, int most)
    {
        var text = fields.RequiredText(name);
        var bits = text.StartsWith("0b", StringComparison.Ordinal) ? text[2..].Replace("_", "", StringComparison.Ordinal) : "";
        return bits.Length > 0 && bits.Length <= most && bits.All(static bit => bit is '0' or '1' or 'x')
            ? "0b" + bits
            : throw fields.Fault(name, $"must be 0b and 1 to {most} bits, each 0, 1 or x to leave it alone.");
    }
}
